#!/usr/bin/python3
"""XEP-0050 as slixmpp's own plugin speaks it: lists the commands, fills in the form of one, and logs in with the account
that it made; XEP-0115 and XEP-0092 as slixmpp asks for them on the way."""
import asyncio
import base64
import subprocess
import sys
import tempfile

from tambod import HEADER, PATIENCE, SKIPPED, Tambod, Wire, arguments, expect, ini, server_section

ADD_USER = "http://jabber.org/protocol/admin#add-user"
MODULES = "starttls, sasl, bind, presence, roster, disco, caps, ping, version, time, limits, adhoc, admin"


def settings(build):
    return ini({
        "server": server_section(build, plugins="store_memory, auth_store", modules=MODULES, admins="juliet@localhost"),
        "listener c2s": {"address": "127.0.0.1", "port": 0, "plaintext_auth": "yes"},
        "limits": {"keepalive": "7m"},
    })


def client():
    import slixmpp   # not at the top: main() looks for it first
    config = {"feature_mechanisms": {"unencrypted_plain": True, "unencrypted_scram": True}}
    juliet = slixmpp.ClientXMPP("juliet@localhost/balcony", "secret", plugin_config=config)
    for plugin in ("xep_0030", "xep_0050", "xep_0092", "xep_0115", "xep_0202"):
        juliet.register_plugin(plugin)
    return juliet


async def give(juliet, node, values):
    """The whole course of a command, through the plugin's own session handling. Its final answer."""
    answered = asyncio.get_running_loop().create_future()

    def fill_in(iq, session):
        form = iq["command"]["form"]
        expect({field["var"] for field in form} >= set(values), "the form asks for what we know", iq)
        submit = juliet["xep_0004"].make_form(ftype="submit")
        for name, value in values.items():
            submit.add_field(var=name, value=value)
        session.update(payload=submit, next=lambda last, _: answered.set_result(last))
        juliet["xep_0050"].complete_command(session)

    juliet["xep_0050"].start_command("localhost", node, {
        "next": fill_in, "error": lambda iq, _: answered.set_result(iq)})
    return await asyncio.wait_for(answered, PATIENCE)


async def story(juliet, port):
    from slixmpp.xmlstream.handler import Callback
    from slixmpp.xmlstream.matcher import StanzaPath
    asked = asyncio.get_running_loop().create_future()
    juliet.register_handler(Callback("asked", StanzaPath("iq@type=get/disco_info"),
                                     lambda iq: asked.done() or asked.set_result(iq)))
    juliet.connect(("127.0.0.1", port), force_starttls=False, disable_starttls=True)
    await juliet.wait_until("session_start", PATIENCE)
    await juliet["xep_0115"].update_caps()   # and announces them
    question = await asyncio.wait_for(asked, PATIENCE)
    expect(question["from"] == "localhost" and "#" in question["disco_info"]["node"], "the server asks", question)

    listed = await juliet["xep_0050"].get_commands("localhost")
    nodes = [item[1] for item in listed["disco_items"]["items"]]
    expect(ADD_USER in nodes, "an administrator sees the commands", listed)
    done = await give(juliet, ADD_USER, {"accountjid": "nurse@localhost", "password": "angelica"})
    expect(done["command"]["status"] == "completed", "the command was carried out", done)

    version = await juliet["xep_0092"].get_version("localhost")
    expect(version["software_version"]["name"] == "tambo", "the server tells its name", version)
    time = await juliet["xep_0202"].get_entity_time("localhost")
    utc = time.xml.find(".//{urn:xmpp:time}utc").text   # slixmpp 1.8.3 can not read the Z that XEP-0202 asks for
    expect(utc.endswith("Z"), "and the time", time)
    juliet.disconnect()
    await juliet.wait_until("disconnected", PATIENCE)


def look_at_limits(nurse, password):
    """XEP-0478 over TCP, where silence has a limit (the keepalive) after login, too."""
    nurse.send(HEADER)
    before = nurse.until("</stream:features>")
    expect("<idle-seconds>60</idle-seconds>" in before, "who does not log in is sent away", before)
    secret = base64.b64encode(("\0nurse\0" + password).encode()).decode()
    nurse.send("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>%s</auth>" % secret)
    nurse.until("<success")
    nurse.send(HEADER)
    after = nurse.until("</stream:features>")
    expect("<idle-seconds>420</idle-seconds>" in after, "TCP asks after the keepalive of the ini", after)


def main():
    build, _ = arguments()
    if subprocess.run(["/usr/bin/python3", "-c", "import slixmpp"], capture_output=True, check=False).returncode:
        print("slixmpp is not installed")
        sys.exit(SKIPPED)
    with tempfile.TemporaryDirectory(prefix="tambo-house-") as folder, Tambod(build, folder, settings(build)) as server:
        port = server.port()
        server.ctl("user", "add", "juliet@localhost", "secret")
        juliet = client()
        juliet.loop.run_until_complete(story(juliet, port))

        look_at_limits(Wire.to(port), "angelica")
        nurse = Wire.to(port)
        nurse.log_in("nurse", "angelica")
        nurse.ping("1")
        expect(server.stop() == 0, "tambod stops in order", server.log())


main()
