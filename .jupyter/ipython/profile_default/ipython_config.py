"""What a kernel of `make lab` does first. Stages have kernels of their own, which do not read this."""

# A module that `nbdev-export` has written anew is taken up by notebooks that are open.
c.InteractiveShellApp.extensions = ["autoreload"]  # noqa: F821 IPython gives `c`
c.InteractiveShellApp.exec_lines = ["%autoreload 2"]  # noqa: F821
