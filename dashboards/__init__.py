"""What people look at: the pages, their server-drawn SVG charts, templates and static files."""
