"""Taking monitors over from other programs, with their tokens: what pings them goes on as before.

`healthchecks` and `uptime_kuma` each read one program and change nothing there; `intake` says what becomes of what they found and makes
it; `listing` tells people.
"""
