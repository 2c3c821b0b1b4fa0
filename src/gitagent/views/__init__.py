"""Values of the core as text, JSON, Mermaid, DOT and SVG: pure, for people and programs."""
