"""A proxy to the server of PGHOST and PGPORT that swallows one answer: cutting_proxy.py WORD

The first time that a client sends WORD, the connection is cut when the server has answered.
Writes its port to standard output.
"""
import asyncio
import os
import sys

word = sys.argv[1].encode()
cuts_left = 1


async def open_server():
    host, port = os.environ.get("PGHOST", "/var/run/postgresql"), os.environ.get("PGPORT", "5432")
    if host.startswith("/"):
        return await asyncio.open_unix_connection(f"{host}/.s.PGSQL.{port}")
    return await asyncio.open_connection(host, port)


async def serve(client_reader, client_writer):
    server_reader, server_writer = await open_server()
    cut = False

    async def requests():
        nonlocal cut
        global cuts_left
        while data := await client_reader.read(65536):
            if word in data and cuts_left:
                cuts_left -= 1
                cut = True
            server_writer.write(data)
        server_writer.close()

    async def answers():
        while (data := await server_reader.read(65536)) and not cut:
            client_writer.write(data)
        client_writer.close()

    await asyncio.gather(requests(), answers())


async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


asyncio.run(main())
