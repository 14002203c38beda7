"""Files of tables: their text, their layout, their cells."""
