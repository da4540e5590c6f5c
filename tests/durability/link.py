"""A TCP proxy between devices and server whose connections can be hurt in the ways that networks know."""
import asyncio
import socket
import struct

AT_ONCE = struct.pack("ii", 1, 0)   # SO_LINGER: closing sends RST, not FIN
WAYS = ("silence", "reset", "half", "deaf")


class Pipe:
    """One connection. Bytes that were on their way when it is cut are lost."""

    def __init__(self, client, server):
        self.client, self.server = client, server
        self.is_cut_up = self.is_cut_down = False

    async def pump(self, reader, writer, is_cut):
        try:
            while data := await reader.read(65536):
                if is_cut():
                    return   # nobody reads on: both ends see a peer that says nothing and takes nothing
                writer.write(data)
                await writer.drain()
            if not is_cut():
                writer.close()
        except OSError:
            if not is_cut():
                writer.transport.abort()

    async def run(self):
        await asyncio.gather(self.pump(self.client[0], self.server[1], lambda: self.is_cut_up),
                             self.pump(self.server[0], self.client[1], lambda: self.is_cut_down))

    def cut(self, way):
        """silence: nothing goes through any more, and nobody is told. reset: both are told by RST. half: only the client is.
        deaf: the server's words get lost, the client's arrive."""
        self.is_cut_down = True
        self.is_cut_up = way != "deaf"
        if way in ("reset", "half"):
            reset(self.client[1])
        if way == "reset":
            reset(self.server[1])

    def close(self):
        for _, writer in (self.client, self.server):
            writer.transport.abort()


class Link:
    def __init__(self, target):
        self.target, self.pipes, self.listener, self.port = target, [], None, None
        self.cuts = 0

    async def open(self):
        self.listener = await asyncio.start_server(self.joined, "127.0.0.1", 0)
        self.port = self.listener.sockets[0].getsockname()[1]
        return self

    async def joined(self, *client):
        try:
            server = await asyncio.open_connection(*self.target())
        except OSError:
            reset(client[1])
            client[1].transport.abort()
            return
        pipe = Pipe(client, server)
        self.pipes.append(pipe)
        await pipe.run()
        if not (pipe.is_cut_down or pipe.is_cut_up):
            self.pipes.remove(pipe)

    def cut(self, random):
        """One of those that work."""
        whole = [pipe for pipe in self.pipes if not pipe.is_cut_down]
        if whole:
            random.choice(whole).cut(random.choice(WAYS))
            self.cuts += 1

    def close(self):
        self.listener.close()
        for pipe in self.pipes:
            pipe.close()


def reset(writer):
    """The other end gets RST."""
    connected = writer.get_extra_info("socket")
    if connected is not None and connected.fileno() >= 0:
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
    writer.transport.abort()
