"""What every page and route needs: envelope, access, bodies, problems, templates. It contains nothing about a noun."""
