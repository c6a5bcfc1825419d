"""What both backends do, without a framework: clips of many people, who may post them, and what is set."""
