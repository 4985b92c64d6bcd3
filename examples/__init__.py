"""Applications that use Flask-SKModels, each in a directory of its own."""
