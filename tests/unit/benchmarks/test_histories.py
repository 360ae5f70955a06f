from benchmarks.chats import generated_chat
from benchmarks.histories import generated_histories, requests_of


def test_a_request_is_the_history_up_to_an_answer() -> None:
    """What an LLM's API is sent: all rows so far, once for each time the model answers."""
    chat = generated_chat(seed=3)
    requests = list(requests_of(chat))

    assert len(requests) == sum(row["role"] == "assistant" for row in chat)
    assert all(chat[: len(request)] == request for request in requests)
    assert all(request[-1]["role"] == "assistant" for request in requests)


def test_generated_histories_are_the_same_each_time() -> None:
    """Figures of two days are comparable, and conversations differ from one another."""
    first, second = generated_histories(2)

    assert first != second
    assert generated_histories(2) == [first, second]
