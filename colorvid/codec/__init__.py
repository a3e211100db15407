"""Frames to packets and back, one by one or group by group on several threads."""
