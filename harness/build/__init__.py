"""Build: from the names in an experiment to libraries whose contents are known.

`meson` builds what an experiment names and nothing else; `flags` asks the flag tool what a variant
should be; `elf` reads what a library is; `arms` holds the two against each other.
"""
