"""A human surface on bones: Anny's average adult, posed like a motion's joints."""
