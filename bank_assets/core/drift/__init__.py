"""How far contacts moved: profiles, exact distances, one verdict, the report."""
