"""What is measured of a problem's answers, per problem and with its interval."""
