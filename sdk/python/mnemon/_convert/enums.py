"""The numbers of each enum's words.

Made by tools/generate_types.py; never edited.
"""

from mnemon._types import (
    ChangeEvent,
    ContentPolicy,
    ContextFormat,
    DeliveryState,
    EntityKind,
    EntityOrder,
    ErrorReason,
    EventTimePrecision,
    FeedbackRating,
    IndexDifferenceKind,
    KeyRole,
    ListOrder,
    MemoryState,
    MemoryType,
    OperationKind,
    OperationState,
    ProjectState,
    Role,
    SearchMode,
    VersionEvent,
    WebhookState,
)
from mnemon._values import EnumTable

ENTITY_ORDER = EnumTable(
    EntityOrder,
    (
        0,
        1,
        2,
        3,
    ),
)
INDEX_DIFFERENCE_KIND = EnumTable(
    IndexDifferenceKind,
    (
        0,
        1,
        2,
        3,
    ),
)
CHANGE_EVENT = EnumTable(
    ChangeEvent,
    (
        0,
        1,
        2,
        3,
        4,
        5,
    ),
)
ENTITY_KIND = EnumTable(
    EntityKind,
    (
        0,
        1,
        2,
        3,
        4,
        5,
    ),
)
ERROR_REASON = EnumTable(
    ErrorReason,
    (
        0,
        1,
        2,
        3,
        4,
        5,
        6,
        7,
        8,
        9,
        10,
        11,
        12,
        13,
        14,
        15,
        16,
        17,
        18,
        19,
        20,
        21,
        22,
        23,
        24,
        25,
        26,
        27,
        28,
        29,
        30,
        31,
        32,
        33,
        34,
        35,
        36,
        37,
        38,
        39,
        40,
        41,
        42,
        43,
    ),
)
MEMORY_TYPE = EnumTable(
    MemoryType,
    (
        0,
        1,
        2,
        3,
    ),
)
MEMORY_STATE = EnumTable(
    MemoryState,
    (
        0,
        1,
        2,
        3,
        4,
    ),
)
EVENT_TIME_PRECISION = EnumTable(
    EventTimePrecision,
    (
        0,
        1,
        2,
        3,
        4,
        5,
        6,
    ),
)
ROLE = EnumTable(
    Role,
    (
        0,
        1,
        2,
        3,
        4,
    ),
)
VERSION_EVENT = EnumTable(
    VersionEvent,
    (
        0,
        1,
        2,
        3,
        4,
        5,
        6,
        7,
    ),
)
LIST_ORDER = EnumTable(
    ListOrder,
    (
        0,
        1,
        2,
        3,
        4,
    ),
)
FEEDBACK_RATING = EnumTable(
    FeedbackRating,
    (
        0,
        1,
        2,
        3,
    ),
)
OPERATION_KIND = EnumTable(
    OperationKind,
    (
        0,
        1,
        2,
        3,
        4,
        5,
        6,
        7,
    ),
)
OPERATION_STATE = EnumTable(
    OperationState,
    (
        0,
        1,
        2,
        3,
        4,
        5,
    ),
)
PROJECT_STATE = EnumTable(
    ProjectState,
    (
        0,
        1,
        2,
        3,
    ),
)
KEY_ROLE = EnumTable(
    KeyRole,
    (
        0,
        1,
        2,
        3,
        4,
    ),
)
CONTENT_POLICY = EnumTable(
    ContentPolicy,
    (
        0,
        1,
        2,
        3,
    ),
)
SEARCH_MODE = EnumTable(
    SearchMode,
    (
        0,
        1,
        2,
        3,
    ),
)
CONTEXT_FORMAT = EnumTable(
    ContextFormat,
    (
        0,
        1,
        2,
    ),
)
WEBHOOK_STATE = EnumTable(
    WebhookState,
    (
        0,
        1,
        2,
    ),
)
DELIVERY_STATE = EnumTable(
    DeliveryState,
    (
        0,
        1,
        2,
        3,
    ),
)
