"""HTTP: paths, parameters, status codes. `api_*` speak JSON, `pages_*` speak HTML; logic is in `serving.services`."""
