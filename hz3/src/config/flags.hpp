// The flags of this build as constants, hz3::flag::NAME: the header that flagtool.py generated for
// the variant being compiled. Mechanisms are switched by `if constexpr` on them, so every variant
// compiles every line.
#pragma once

#ifndef HZ3_CONFIG_HEADER
#error "no configuration: build a variant through Meson, which names its generated header"
#endif
#include HZ3_CONFIG_HEADER
