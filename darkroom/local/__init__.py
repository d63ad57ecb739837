"""The application on this computer: the real template, deployed to an emulator of AWS."""
