"""The list of models, and one of them."""

from urllib.parse import quote

import openai
import pytest
from conftest import MODELS, NOVA

ARN = "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-pro-v1:0"


def test_the_list_has_the_catalogue(client):
    models = client.models.list().data
    ids = [model.id for model in models]
    assert len(set(ids)) == len(ids)
    assert NOVA in ids
    assert all(model.object == "model" and model.owned_by and model.created >= 0 for model in models)


def test_every_listed_model_can_be_retrieved(client):
    for model in client.models.list().data:
        assert client.models.retrieve(model.id).id == model.id


@pytest.mark.parametrize("model", MODELS["profiles"] + [ARN])
def test_a_model_is_found_by_profile_and_arn(client, model):
    assert client.models.retrieve(model).id == model


@pytest.mark.parametrize("spelling", [NOVA, quote(NOVA, safe=""), NOVA.replace(".", "%2E")])
def test_an_id_may_be_percent_encoded(http, spelling):
    reply = http.get(f"/v1/models/{spelling}")
    assert reply.status_code == 200
    assert reply.json()["id"] == NOVA


def test_an_unknown_model_is_not_found(client):
    with pytest.raises(openai.NotFoundError) as caught:
        client.models.retrieve("no-such-model")
    assert caught.value.code == "model_not_found"
