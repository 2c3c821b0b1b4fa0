import unittest

from pocket.durations import seconds


class Durations(unittest.TestCase):
    def test_one_unit(self):
        self.assertEqual(seconds("90s"), 90)

    def test_units_add_up(self):
        self.assertEqual(seconds("1h30m"), 5400)

    def test_anything_else_is_refused(self):
        with self.assertRaises(ValueError):
            seconds("1 hour")
