"""XEP-0313: what a server kept beside what it delivered."""
from xmpp import CLIENT, Gone, Refused, Stream

PAGE = 100
ATTEMPTS = 5
RSM = "{http://jabber.org/protocol/rsm}"


async def found_in_archive(place, account, tls):
    """The messages of an account's whole archive that belong to this scene."""
    for remaining in reversed(range(ATTEMPTS)):
        try:
            return await read_archive(place, account, tls)
        except Refused:
            raise
        except Gone:   # some are slow when they look for something
            if not remaining:
                raise


async def read_archive(place, account, tls):
    stream = await Stream.connect(*place.address(), place.domain, tls)
    found, after = set(), ""
    try:
        await stream.log_in(account, place.password)
        await stream.bind("archivist")
        while after is not None:
            messages, after = await page(stream, after, place)
            found |= messages
    finally:
        stream.abort()
    return found


async def page(stream, after, place):
    """One page's messages, and where the next page begins."""
    found = set()
    stream.send("<iq type='set' id='page'><query xmlns='urn:xmpp:mam:2'><set xmlns='http://jabber.org/protocol/rsm'>"
                "<max>%d</max>%s</set></query></iq>" % (PAGE, "<after>%s</after>" % after if after else ""))
    while True:
        element = await stream.answer()
        if element.tag == CLIENT + "message":
            inner = element.find(".//{urn:xmpp:forward:0}forwarded/" + CLIENT + "message")
            if inner is not None:
                found |= place.numbers(inner)
        elif element.get("id") == "page":
            if element.get("type") != "result":
                raise Refused("no archive")
            fin = element.find("{urn:xmpp:mam:2}fin")
            last = fin.findtext("%sset/%slast" % (RSM, RSM))
            return found, None if fin.get("complete") == "true" or not last else last
