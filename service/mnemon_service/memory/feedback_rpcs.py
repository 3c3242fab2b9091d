"""SubmitFeedback."""

from __future__ import annotations

from mnemon.v1 import memory_service_pb2 as pb
from mnemon_service.memory.changing import Changer
from mnemon_service.model.call import Call
from mnemon_service.record.feedback import Feedback, Rating
from mnemon_service.record.writing import Write
from mnemon_service.wire.enums import EnumPair
from mnemon_service.wire.idempotency import request_key
from mnemon_service.wire.scopes import access_of

_RATINGS = EnumPair(Rating, pb.FeedbackRating, "FEEDBACK_RATING_")


class FeedbackRpcs:
    """Judgements about memories."""

    def __init__(self, changer: Changer, feedback: Feedback) -> None:
        self._judging = changer
        self._feedback = feedback

    async def SubmitFeedback(
        self, request: pb.SubmitFeedbackRequest, call: Call
    ) -> pb.SubmitFeedbackResponse:
        """See the contract."""
        memory_id = request.memory_id.lower()
        rating = _RATINGS.from_wire(request.rating, Rating.POSITIVE)
        adding = self._feedback.adding(
            access_of(call.caller), memory_id, rating, request.reason, call.caller.key_id
        )

        async def work(write: Write) -> pb.SubmitFeedbackResponse:
            await write.current([memory_id])
            return pb.SubmitFeedbackResponse(feedback_id=await write.run(adding))

        key = request_key(call, request.request_id, request)
        return await self._judging.change(call, key, pb.SubmitFeedbackResponse, work)
