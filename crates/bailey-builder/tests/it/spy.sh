#!/bin/sh
# Stands in for uv: shows the environment it was given, and fails.
/usr/bin/env | /usr/bin/sort >&2
exit 1
