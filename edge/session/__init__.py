"""What a recorder is allowed and bound to do at any moment, as one pure function: `edge.session.step.step`."""
