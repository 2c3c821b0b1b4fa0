import unittest

from pocket.slugs import slug


class Slugs(unittest.TestCase):
    def test_words_are_joined(self):
        self.assertEqual(slug("Hello, World!"), "hello-world")

    def test_nothing_is_left_of_signs(self):
        self.assertEqual(slug("?!"), "")
