# Runs once at every start, before the plugin. Installed packages come after the standard library,
# so that none can shadow it, and their `.pth` files are not executed.
import sys

sys.path.append("/packages")
