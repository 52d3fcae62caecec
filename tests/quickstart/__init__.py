"""The stages of kfw bootstrap: with answers written down (world.py), and whole with stubs on PATH."""
