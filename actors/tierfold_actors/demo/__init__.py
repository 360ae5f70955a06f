"""`make demo`: the main job on real input, first in this process, then over HTTP."""
