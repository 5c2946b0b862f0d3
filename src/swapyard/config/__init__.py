"""The configuration: YAML files in, one checked `Config` out, or every problem at once.

load         the way from files to `Config`; `load` and `loads` are what others call
sources      which files, and their text
yaml_source  one text to a tree with places (`nodes`); environ: ${env.X}; yaml_faults: why a text is no YAML
merge        several trees to one
macros       ${name}
file         the file's format: the one table of keys, types, defaults, bounds, descriptions
decode       tree to the structs of `file`, by that table
models       one model: macros, port, defaults; command: splitting its command line; ports: the numbers of ${PORT}
names        ids, aliases, peers' models; routing: groups, matrix, priorities
strategies   which planners and schedulers there are: asked, not known here
checks       the rest; clashes: servers at one address; urls, patterns: what URLs and regular expressions may look like
problems     findings with file, line and key
schema       the result, as the rest of Swapyard sees it
watch        has anything changed on disk?
mask, render secrets out of it; back to YAML for people; entry: a model to be copied into a file
"""
