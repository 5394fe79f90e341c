"""One molecule's chemistry: text to structure, structure to drawings, properties and parts."""
