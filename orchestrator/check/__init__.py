"""The command that examines what a user brings: a study or a part of one."""
