// hz3, the whole of it: a variant is one compile of this file against the generated header of its
// flags. With HZ3_NO_OVERRIDE only the hz3_ names are defined and the program keeps its own malloc;
// tests and sanitizer builds use that.
#include "api/functions.hpp"
#include "api/knobs.hpp"
#include "api/memory_report.hpp"
#include "api/process.hpp"
#include "policy/points.hpp"

#ifndef HZ3_NO_OVERRIDE
#include "api/introspection.hpp"
#include "api/malloc_family.hpp"
#include "api/operator_new.hpp"
#endif
