"""The emulated endpoints, found by themselves: a new one is a file here with an `ENDPOINT`, or several `ENDPOINTS`.

What they accept is the emulator's own reading of the documentation, on purpose not shared with the client's: a mistake
in one shows against the other. Messages are the recorded ones where there is a record.
"""
