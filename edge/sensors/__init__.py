"""The sensors process: power, gas and the board's health, judged without I/O and told to guard and recorder."""
