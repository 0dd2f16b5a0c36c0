"""Where a file runs: this machine, a phone over adb, a board over ssh, all behind one small interface."""
