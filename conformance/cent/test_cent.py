"""Every method of the server API through cent, and what subscribers see of it."""

import asyncio
import time
import unittest

import cent
import requests

from node import API_KEY, Node, Subscriber, eventually


class ServerApi(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.node = Node(channels__client_subscribe="true", namespaces__kept__client_subscribe="true",
                        namespaces__kept__history_size="10", namespaces__kept__history_ttl="60s")
        cls.addClassCleanup(cls.node.stop)
        cls.client = cls.client_with(API_KEY)

    @classmethod
    def client_with(cls, key):
        session = requests.Session()
        cls.addClassCleanup(session.close)
        return cent.Client(cls.node.api, key, session=session)

    def subscriber(self, user, *channels):
        subscriber = Subscriber(self.node, user, channels)
        self.addCleanup(subscriber.close)
        return subscriber

    def subscribers(self, channel):
        found = self.client.channels(cent.ChannelsRequest(pattern=channel)).channels.get(channel)
        return found.num_clients if found else 0

    def test_publish_reaches_the_subscriber(self):
        alice = self.subscriber("alice", "news")
        self.client.publish(cent.PublishRequest(channel="news", data={"text": "grüße 👋\n"}, tags={"lang": "de"}))
        self.assertEqual(alice.push(), ("news", "pub", {"data": {"text": "grüße 👋\n"}, "tags": {"lang": "de"}}))

    def test_publish_to_nobody_succeeds(self):
        self.client.publish(cent.PublishRequest(channel="empty", data="hello"))

    def test_a_repeated_idempotency_key_publishes_once(self):
        alice = self.subscriber("alice", "once")
        for data in ("first", "repeated"):
            self.client.publish(cent.PublishRequest(channel="once", data=data, idempotency_key="key"))
        self.client.publish(cent.PublishRequest(channel="once", data="last"))
        self.assertEqual([alice.push()[2]["data"] for _ in range(2)], ["first", "last"])

    def publish(self, channel, data, **more):
        answer = self.client.publish(cent.PublishRequest(channel=channel, data=data, **more))
        return answer.offset, answer.epoch

    def test_publish_answers_the_position(self):
        alice = self.subscriber("alice", "kept:positions")
        first, epoch = self.publish("kept:positions", "one")
        self.assertEqual(first, 1)
        self.assertTrue(epoch)
        self.assertEqual(self.publish("kept:positions", "two"), (2, epoch))
        self.assertEqual([alice.push()[2]["offset"] for _ in range(2)], [1, 2])
        self.assertEqual(self.publish("kept:positions", "passing", skip_history=True), (0, ""))
        self.assertEqual(self.publish("bare", "one"), (0, ""))

    def test_a_repetition_is_answered_with_the_first_position(self):
        first = self.publish("kept:once", 1, idempotency_key="key")
        self.publish("kept:once", 2)
        self.assertEqual(self.publish("kept:once", 3, idempotency_key="key"), first)
        history = self.client.history(cent.HistoryRequest(channel="kept:once", limit=10))
        self.assertEqual([kept.data for kept in history.publications], [1, 2])

    def test_what_is_not_newer_is_not_published(self):
        answers = [self.publish("kept:versions", number, version=number)[0] for number in (2, 1, 2, 3)]
        self.assertEqual(answers, [1, 1, 1, 2])
        with self.assertRaises(cent.CentApiResponseError) as raised:
            self.publish("bare", 1, version=1)
        self.assertEqual(raised.exception.code, 107)
        self.assertRegex(raised.exception.message, "^bad request: version: needs history")

    def test_history_is_read_in_parts(self):
        for number in range(1, 6):
            _, epoch = self.publish("kept:history", number, tags={"n": str(number)} if number == 1 else None)
        since = cent.StreamPosition(offset=2, epoch=epoch)
        for request, expected in (({}, []), ({"limit": 2}, [1, 2]), ({"limit": 2, "reverse": True}, [5, 4]),
                                  ({"limit": 2, "since": since}, [3, 4]), ({"limit": -1}, [1, 2, 3, 4, 5])):
            with self.subTest(request):
                history = self.client.history(cent.HistoryRequest(channel="kept:history", **request))
                self.assertEqual([kept.offset for kept in history.publications], expected)
                self.assertEqual((history.offset, history.epoch), (5, epoch))
        kept, = self.client.history(cent.HistoryRequest(channel="kept:history", limit=1)).publications
        self.assertEqual((kept.data, kept.tags), (1, {"n": "1"}))
        foreign = cent.StreamPosition(offset=2, epoch="another")
        with self.assertRaises(cent.CentApiResponseError) as raised:
            self.client.history(cent.HistoryRequest(channel="kept:history", limit=1, since=foreign))
        self.assertEqual((raised.exception.code, raised.exception.message), (112, "unrecoverable position"))

    def test_history_remove_keeps_the_position(self):
        position = self.publish("kept:removed", 1)
        self.client.history_remove(cent.HistoryRemoveRequest(channel="kept:removed"))
        history = self.client.history(cent.HistoryRequest(channel="kept:removed", limit=10))
        self.assertEqual((history.publications, history.offset, history.epoch), ([], *position))
        self.assertEqual(self.publish("kept:removed", 2), (2, position[1]))

    def test_broadcast_answers_for_each_channel(self):
        alice, bob = self.subscriber("alice", "a"), self.subscriber("bob", "b")
        request = cent.BroadcastRequest(channels=["a", "unknown:channel", "b"], data=[1, 2])
        errors = [response.error for response in self.client.broadcast(request).responses]
        self.assertEqual([error and error.code for error in errors], [None, 102, None])
        self.assertEqual(alice.push(), ("a", "pub", {"data": [1, 2]}))
        self.assertEqual(bob.push(), ("b", "pub", {"data": [1, 2]}))

    def test_subscribe_and_unsubscribe_are_told_to_the_client(self):
        alice = self.subscriber("alice")
        self.client.subscribe(cent.SubscribeRequest(user="alice", channel="given", data={"why": "invited"}))
        channel, kind, content = alice.push()
        self.assertEqual((channel, kind, content.get("data")), ("given", "subscribe", {"why": "invited"}))
        self.client.publish(cent.PublishRequest(channel="given", data=1))
        self.assertEqual(alice.push(), ("given", "pub", {"data": 1}))
        self.client.unsubscribe(cent.UnsubscribeRequest(user="alice", channel="given"))
        self.assertEqual(alice.push(), ("given", "unsubscribe", {"code": 2000, "reason": "server unsubscribe"}))
        eventually(lambda: self.subscribers("given") == 0, "nobody is subscribed")

    def test_a_user_who_is_not_there_is_no_error(self):
        self.client.subscribe(cent.SubscribeRequest(user="nobody", channel="news"))
        self.client.unsubscribe(cent.UnsubscribeRequest(user="nobody", channel="news"))
        self.client.disconnect(cent.DisconnectRequest(user="nobody"))
        self.client.refresh(cent.RefreshRequest(user="nobody"))

    def test_disconnect_is_final(self):
        alice = self.subscriber("alice")
        self.client.disconnect(cent.DisconnectRequest(user="alice"))
        self.assertEqual(alice.closed(), (3503, "force disconnect"))

    def test_disconnect_with_a_code_of_the_application(self):
        alice = self.subscriber("alice")
        disconnect = cent.Disconnect(code=4242, reason="tea time")
        self.client.disconnect(cent.DisconnectRequest(user="alice", disconnect=disconnect))
        self.assertEqual(alice.closed(), (4242, "tea time"))

    def test_disconnect_of_one_connection_and_of_all_but_one(self):
        first, second, third = (self.subscriber("alice", "news") for _ in range(3))
        self.client.disconnect(cent.DisconnectRequest(user="alice", client=first.client))
        self.assertEqual(first.closed()[0], 3503)
        self.client.disconnect(cent.DisconnectRequest(user="alice", whitelist=[third.client]))
        self.assertEqual(second.closed()[0], 3503)
        self.client.publish(cent.PublishRequest(channel="news", data="who is left"))
        self.assertEqual(third.push()[2], {"data": "who is left"})

    def test_refresh_tells_the_client_when_it_expires(self):
        alice = self.subscriber("alice")
        self.client.refresh(cent.RefreshRequest(user="alice", expire_at=int(time.time()) + 600))
        channel, kind, content = alice.push()
        self.assertEqual((channel, kind, content["expires"]), (None, "refresh", True))
        self.assertIn(content["ttl"], range(590, 601))

    def test_refresh_as_expired_closes(self):
        alice = self.subscriber("alice")
        self.client.refresh(cent.RefreshRequest(user="alice", expired=True))
        self.assertEqual(alice.closed(), (3005, "connection expired"))

    def test_channels_lists_names_and_counts(self):
        self.assertEqual(self.client.channels(cent.ChannelsRequest(pattern="list-*")).channels, {})
        self.subscriber("alice", "list-1", "list-2")
        self.subscriber("bob", "list-2")
        listed = self.client.channels(cent.ChannelsRequest(pattern="list-*")).channels
        self.assertEqual({name: found.num_clients for name, found in listed.items()}, {"list-1": 1, "list-2": 2})
        self.assertGreaterEqual(set(self.client.channels(cent.ChannelsRequest()).channels), {"list-1", "list-2"})

    def test_info_names_the_node(self):
        self.subscriber("alice", "news")
        node, = self.client.info(cent.InfoRequest()).nodes
        self.assertTrue(node.uid and node.name and node.version)
        self.assertGreaterEqual(node.num_clients, 1)
        self.assertGreaterEqual(node.num_subs, 1)
        self.assertGreaterEqual(node.num_channels, 1)

    def test_batch_answers_in_order(self):
        alice = self.subscriber("alice", "a", "b")
        for parallel in (False, True):
            replies = self.client.batch(cent.BatchRequest(parallel=parallel, requests=[
                cent.PublishRequest(channel="a", data=1),
                cent.BroadcastRequest(channels=["a", "b"], data=2),
                cent.ChannelsRequest(pattern="b"),
                cent.InfoRequest(),
            ])).replies
            kinds = [cent.PublishResult, cent.BroadcastResult, cent.ChannelsResult, cent.InfoResult]
            self.assertEqual([type(reply) for reply in replies], kinds)
            self.assertEqual(replies[2].channels["b"].num_clients, 1)
            heard = sorted((channel, content["data"]) for channel, _, content in (alice.push() for _ in range(3)))
            self.assertEqual(heard, [("a", 1), ("a", 2), ("b", 2)])

    def test_a_batch_holds_histories(self):
        replies = self.client.batch(cent.BatchRequest(requests=[
            cent.BroadcastRequest(channels=["kept:batch", "bare"], data=1),
            cent.PublishRequest(channel="kept:batch", data=2),
            cent.HistoryRequest(channel="kept:batch", limit=10),
            cent.HistoryRemoveRequest(channel="kept:batch"),
        ])).replies
        self.assertEqual([response.result.offset for response in replies[0].responses], [1, 0])
        self.assertEqual(replies[1].offset, 2)
        self.assertEqual([kept.data for kept in replies[2].publications], [1, 2])
        self.assertIsInstance(replies[3], cent.HistoryRemoveResult)

    def test_an_unknown_namespace_is_a_typed_error(self):
        for request in (cent.PublishRequest(channel="undefined:channel", data={}),
                        cent.SubscribeRequest(user="alice", channel="undefined:channel"),
                        cent.UnsubscribeRequest(user="alice", channel="undefined:channel")):
            with self.subTest(type(request).__name__), self.assertRaises(cent.CentApiResponseError) as raised:
                getattr(self.client, request.api_method)(request)
            self.assertEqual((raised.exception.code, raised.exception.message), (102, "unknown channel"))

    def test_a_request_without_a_channel_is_a_typed_error(self):
        with self.assertRaises(cent.CentApiResponseError) as raised:
            self.client.publish(cent.PublishRequest(channel="", data={}))
        self.assertEqual(raised.exception.code, 107)
        self.assertRegex(raised.exception.message, "^bad request: channel: ")

    def test_what_is_not_offered_is_a_typed_error(self):
        for request in (cent.PresenceRequest(channel="news"), cent.PresenceStatsRequest(channel="news"),
                        cent.HistoryRequest(channel="news"), cent.HistoryRemoveRequest(channel="news")):
            with self.subTest(type(request).__name__), self.assertRaises(cent.CentApiResponseError) as raised:
                getattr(self.client, request.api_method)(request)
            self.assertEqual((raised.exception.code, raised.exception.message), (108, "not available"))

    def test_a_wrong_key_is_unauthorized(self):
        for key in ("wrong", API_KEY + "x", ""):
            with self.subTest(key), self.assertRaises(cent.CentUnauthorizedError):
                self.client_with(key).info(cent.InfoRequest())

    def test_the_asynchronous_client(self):
        alice = self.subscriber("alice", "news")

        async def publish():
            client = cent.AsyncClient(self.node.api, API_KEY)
            try:
                await client.publish(cent.PublishRequest(channel="news", data="async"))
            finally:
                await client._session.close()

        asyncio.run(asyncio.wait_for(publish(), 5))
        self.assertEqual(alice.push()[2], {"data": "async"})


if __name__ == "__main__":
    unittest.main(verbosity=2)
