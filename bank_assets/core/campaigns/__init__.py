"""Call lists after they are planned: the stages of their life."""
