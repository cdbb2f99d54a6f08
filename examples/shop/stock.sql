CREATE TABLE stock (item integer PRIMARY KEY, quantity integer NOT NULL);
INSERT INTO stock SELECT item, 10 + item * 7 % 90 FROM generate_series(0, 99) AS item;
