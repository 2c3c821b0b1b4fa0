import unittest

from pocket.pages import pages


class Pages(unittest.TestCase):
    def test_full_pages(self):
        self.assertEqual(pages("abcd", 2), ["ab", "cd"])

    def test_a_short_last_page(self):
        self.assertEqual(pages("abcde", 2), ["ab", "cd", "e"])

    def test_no_page(self):
        self.assertEqual(pages("", 2), [])
