"""What every page and route needs: envelope, access, bodies, problems, templates. It knows no noun."""
