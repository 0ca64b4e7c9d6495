"""Reference allocators: where they are, which version they are, and what their presets do.

`catalogue` is the one table of allocators and presets; `locate` finds the library; `probe` is a small
script run inside a process that has the library preloaded; `proof` shows that a preset takes effect;
`resolve` puts it together for an experiment's references.
"""
