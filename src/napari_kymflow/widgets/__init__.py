"""All Qt of the plugin: layout and wiring. Decisions live in the modules above this folder."""
