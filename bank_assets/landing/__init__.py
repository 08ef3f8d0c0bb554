"""How delivered files are received: header, register, what is refused and why."""
