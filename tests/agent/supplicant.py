"""A small supplicant: its control socket, with answers of a test's choosing."""

from __future__ import annotations

import contextlib
import os
import pathlib
import select
import socket
import stat
import threading
import time

CONNECTED = (b"bssid=02:00:5e:aa:bb:cc\nfreq=5180\nssid=Lab\nid=0\nmode=station\npairwise_cipher=CCMP\n"
             b"group_cipher=CCMP\nkey_mgmt=WPA2-PSK\nwpa_state=COMPLETED\nip_address=192.0.2.40\n"
             b"address=02:00:5e:10:00:02\nuuid=12345678-9abc-def0-1234-56789abcdef0\n")
SIGNAL = b"RSSI=-57\nLINKSPEED=433\nNOISE=-92\nFREQUENCY=5180\nWIDTH=80 MHz\nCENTER_FRQ1=5210\n"


class Supplicant:
    """`answers` has for each command the datagrams that it is answered with; nothing for one that is not in it."""

    def __init__(self, directory, interface, answers):
        self.directory, self.path = pathlib.Path(directory), pathlib.Path(directory) / interface
        self.answers = answers
        self.asked = []   # (command, path of who asked)
        self.modes = []   # of the directory that the asking socket is in
        self.refused = [] # what became of a datagram from somebody else
        self.leave_after = None # how many questions until the socket is closed
        self.pour_s = 0 # for how long it sends events without end
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(self.path))
        self.stop, self.stopped = os.pipe()
        self.thread = threading.Thread(target=self.serve, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        os.close(self.stopped)
        self.thread.join()
        os.close(self.stop)
        self.socket.close()
        self.path.unlink()

    def serve(self):
        while True:
            ready, _, _ = select.select([self.socket, self.stop], [], [])
            if self.stop in ready:
                return
            command, who = self.socket.recvfrom(4096)
            self.asked.append((command.decode(), who))
            self.modes.append(stat.S_IMODE(os.stat(pathlib.Path(who).parent).st_mode))
            self.intrude(who)
            for answer in self.answers.get(command, []):
                self.socket.sendto(answer, who)
            self.pour(who)
            if self.leave_after is not None and len(self.asked) >= self.leave_after:
                self.socket.close()
                select.select([self.stop], [], [])
                return

    def pour(self, who):
        end = time.monotonic() + self.pour_s
        with contextlib.suppress(OSError): # the asking socket is gone
            while time.monotonic() < end:
                with contextlib.suppress(BlockingIOError):
                    self.socket.sendto(b"<3>CTRL-EVENT-SCAN-RESULTS ", socket.MSG_DONTWAIT, who)

    def intrude(self, who):
        """Somebody else's answer, before ours."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
            try:
                other.sendto(b"wpa_state=COMPLETED\nssid=Intruder\n", who)
                self.refused.append(None)
            except OSError as e:
                self.refused.append(e)
