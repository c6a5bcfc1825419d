"""Videos that show the submitted images; needs the extra `emulator-video`."""
