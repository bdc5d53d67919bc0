"""The trainables, one small file each: a module of this package with a ``TRAINABLE`` is one."""
