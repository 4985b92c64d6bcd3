"""Example applications that use Flask-SKModels, one in each directory."""
