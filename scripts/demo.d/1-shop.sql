-- The shop's data: 60 customers with money in their accounts and 400 orders,
-- every tenth a large one (over 500) that a person has to approve.

CREATE TABLE customers (
  id    bigint PRIMARY KEY,
  name  text NOT NULL
);

CREATE TABLE accounts (
  customer_id  bigint PRIMARY KEY REFERENCES customers,
  opening      numeric(12,2) NOT NULL,
  balance      numeric(12,2) NOT NULL
);

CREATE TABLE orders (
  id           bigint PRIMARY KEY,
  customer_id  bigint NOT NULL REFERENCES customers,
  amount       numeric(12,2) NOT NULL
);

-- What the steps write. No unique constraint on purpose: a step that ran twice
-- would leave two rows and take the money twice.
CREATE TABLE charges       (order_id bigint NOT NULL, amount numeric(12,2) NOT NULL, at timestamptz NOT NULL DEFAULT now());
CREATE TABLE provisioned   (order_id bigint NOT NULL, at timestamptz NOT NULL DEFAULT now());
CREATE TABLE confirmations (order_id bigint NOT NULL, at timestamptz NOT NULL DEFAULT now());

INSERT INTO customers SELECT i, 'Customer ' || i FROM generate_series(1, 60) i;
INSERT INTO accounts  SELECT id, 10000, 10000 FROM customers;
INSERT INTO orders
SELECT i, 1 + i * 37 % 60,
       5 + (i * 7919 % 44500) / 100.0 + CASE WHEN i % 10 = 0 THEN 500 ELSE 0 END
FROM generate_series(1, 400) i;
