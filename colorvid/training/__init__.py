"""What training needs and nothing else imports: losses, data, loops."""
