-- How often a seal came again. A verdict that was asked for while it was being published is published once more.
ALTER TABLE closing ADD COLUMN asked INTEGER NOT NULL DEFAULT 0;
