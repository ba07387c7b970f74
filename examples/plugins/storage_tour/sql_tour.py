"""`ctx.sql`: tables of your own, in PostgreSQL.

For what has more than one side to it: who owes whom, what is left in stock, the best ten of a month.
Values never go into the text of a statement; they are given beside it, and `%s`, or `$1`, `$2` and so
on, says where they belong.
"""

# A table is made by the first who needs it. Here that is everybody, so everybody says "if it is not there".
TABLES = [
    """
    CREATE TABLE IF NOT EXISTS shop_items (
        name   TEXT PRIMARY KEY,
        price  INTEGER NOT NULL CHECK (price > 0),
        stock  INTEGER NOT NULL DEFAULT 0,
        traits JSONB NOT NULL DEFAULT '{}'
    )
    """,
    """
    CREATE TABLE IF NOT EXISTS shop_sales (
        id    SERIAL PRIMARY KEY,
        item  TEXT NOT NULL REFERENCES shop_items (name) ON DELETE CASCADE,
        buyer TEXT NOT NULL
    )
    """,
    "CREATE INDEX IF NOT EXISTS shop_sales_buyer ON shop_sales (buyer)",
]


def shop_open(ctx, event):
    """`!shop_open` makes the tables. Doing so again does nothing."""
    for statement in TABLES:
        ctx.sql.execute(statement)
    return "The shop is open."


def stock(ctx, event, name, price, count, *traits):
    """`!stock lamp 12 3 colour=red` adds to what is there, or begins: an upsert. Traits are JSON."""
    ctx.sql.execute(
        """
        INSERT INTO shop_items (name, price, stock, traits) VALUES (%s, %s, %s, %s)
        ON CONFLICT (name) DO UPDATE SET
            price = EXCLUDED.price,
            stock = shop_items.stock + EXCLUDED.stock,
            traits = shop_items.traits || EXCLUDED.traits
        """,
        [name, int(price), int(count), dict(trait.split("=") for trait in traits)],
    )
    item = ctx.sql.query_one("SELECT stock, price FROM shop_items WHERE name = %s", [name])
    return f"{item['stock']} of {name} at {item['price']} each."


def introduce(ctx, event, name):
    """`!introduce lamp` leaves alone what is there: `rowcount` says whether anything was done."""
    added = ctx.sql.execute(
        "INSERT INTO shop_items (name, price) VALUES ($1, 1) ON CONFLICT DO NOTHING", [name]
    )
    return f"{name} is new here." if added else f"We have {name} already."


def buy(ctx, event, name):
    """`!buy lamp` takes one only while there is one: of two who want the last, one gets it.

    The condition stands in the UPDATE itself, and `rowcount` says who was first. Looking before and
    writing after would sell it twice.
    """
    taken = ctx.sql.execute("UPDATE shop_items SET stock = stock - 1 WHERE name = $1 AND stock > 0", [name])
    if taken == 0:
        return f"No {name} left."
    # RETURNING gives back what the database filled in. It is rows, so it is a query.
    (sale,) = ctx.sql.query(
        "INSERT INTO shop_sales (item, buyer) VALUES ($1, $2) RETURNING id, item",
        [name, event["author_username"]],
    )
    return f"Sale {sale['id']}: one {sale['item']}."


def receipts(ctx, event):
    """`!receipts` joins and groups, as one does."""
    rows = ctx.sql.query(
        """
        SELECT sales.buyer, COUNT(*) AS things, SUM(items.price) AS paid
        FROM shop_sales AS sales JOIN shop_items AS items ON items.name = sales.item
        GROUP BY sales.buyer ORDER BY paid DESC, sales.buyer
        """
    )
    return "\n".join(f"{row['buyer']}: {row['things']} things for {row['paid']}" for row in rows) or "Nothing sold."


def find(ctx, event, trait, value):
    """`!find colour red` looks inside JSON; what comes back is Python again."""
    rows = ctx.sql.query(
        "SELECT name, traits FROM shop_items WHERE traits ->> %s = %s ORDER BY name", [trait, value]
    )
    return ", ".join(f"{row['name']} {sorted(row['traits'])}" for row in rows) or "Nothing like that."


def worth(ctx, event):
    """`!worth` is one number: the first column of the first row."""
    return f"Everything is worth {ctx.sql.scalar('SELECT COALESCE(SUM(price * stock), 0) FROM shop_items')}."


def shelf(ctx, event, count):
    """`!shelf 1` shows so many. From SDK 0.9 on, `truncated` tells whether there were more."""
    rows = ctx.sql.query("SELECT name FROM shop_items ORDER BY name", limit=int(count))
    total = ctx.sql.scalar("SELECT COUNT(*) FROM shop_items")
    more = getattr(rows, "truncated", len(rows) < total)
    return ", ".join(row["name"] for row in rows) + (", and more" if more else "")


def clear_out(ctx, event, name):
    """`!clear_out lamp` removes an item and, by the reference, its sales."""
    gone = ctx.sql.execute("DELETE FROM shop_items WHERE name = %s", [name])
    return f"{gone} item gone, {ctx.sql.scalar('SELECT COUNT(*) FROM shop_sales')} sales left."


STOPS = {
    "!shop_open": shop_open,
    "!stock": stock,
    "!introduce": introduce,
    "!buy": buy,
    "!receipts": receipts,
    "!find": find,
    "!worth": worth,
    "!shelf": shelf,
    "!clear_out": clear_out,
}
