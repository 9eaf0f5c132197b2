"""The tables of a survey.

Method names occur only in `trial`; browsers receive tokens of `image`. Network addresses are not stored. Platform IDs
are stored as salted hashes, and the salt is deleted when the participant withdraws or the researcher requests it.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, BigInteger, Float, ForeignKey, Index, Integer, String, Text, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

Id = Integer().with_variant(BigInteger, "postgresql")


class Base(DeclarativeBase):
    """The tables."""


class Setting(Base):
    """A setting of the server, such as the password hash or whether the survey is stopped."""

    __tablename__ = "setting"
    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    value: Mapped[str] = mapped_column(Text)


class Registration(Base):
    """A registered version of the design, analysis plan and stimuli; the first is the preregistration."""

    __tablename__ = "registration"
    id: Mapped[int] = mapped_column(Id, primary_key=True, autoincrement=True)
    at: Mapped[float] = mapped_column(Float)
    sha256: Mapped[str] = mapped_column(String(64))
    record: Mapped[dict[str, Any]] = mapped_column(JSON)
    changes: Mapped[list[str]] = mapped_column(JSON)
    votes_before: Mapped[int] = mapped_column(Integer)


class Invitation(Base):
    """An invitation link for one participant."""

    __tablename__ = "invitation"
    token_sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    label: Mapped[str] = mapped_column(String(200))
    created_at: Mapped[float] = mapped_column(Float)
    participant_id: Mapped[str | None] = mapped_column(ForeignKey("participant.id", ondelete="SET NULL"))


class Participant(Base):
    """A participant under a random ID, with facts about the screen."""

    __tablename__ = "participant"
    id: Mapped[str] = mapped_column(String(16), primary_key=True)
    key_sha256: Mapped[str] = mapped_column(String(64), unique=True)
    stage: Mapped[str] = mapped_column(String(20), index=True)
    language: Mapped[str] = mapped_column(String(10))
    method: Mapped[str] = mapped_column(String(200))
    joined_at: Mapped[float] = mapped_column(Float)
    lease_until: Mapped[float] = mapped_column(Float)
    finished_at: Mapped[float | None] = mapped_column(Float)
    consent_version: Mapped[str | None] = mapped_column(String(40))
    consent_sha256: Mapped[str | None] = mapped_column(String(64))
    consent_at: Mapped[float | None] = mapped_column(Float)
    platform_sha256: Mapped[str | None] = mapped_column(String(64), index=True)
    platform_salt: Mapped[str | None] = mapped_column(String(64))
    platform_study: Mapped[str | None] = mapped_column(String(64))
    platform_session: Mapped[str | None] = mapped_column(String(64))
    code: Mapped[str] = mapped_column(String(16))
    screen: Mapped[dict[str, Any]] = mapped_column(JSON)
    screening: Mapped[dict[str, Any]] = mapped_column(JSON)


class TrialRow(Base):
    """One trial of a participant's schedule."""

    __tablename__ = "trial"
    id: Mapped[int] = mapped_column(Id, primary_key=True, autoincrement=True)
    participant_id: Mapped[str] = mapped_column(ForeignKey("participant.id", ondelete="CASCADE"))
    position: Mapped[int] = mapped_column(Integer)
    kind: Mapped[str] = mapped_column(String(10))
    scene: Mapped[str] = mapped_column(Text)
    left: Mapped[str] = mapped_column(String(200))
    right: Mapped[str] = mapped_column(String(200))
    repeat_of: Mapped[int | None] = mapped_column(Integer)
    token: Mapped[str] = mapped_column(String(32), unique=True)
    probability: Mapped[float | None] = mapped_column(Float)
    last_vote: Mapped[int | None] = mapped_column(Integer)
    tally_sha256: Mapped[str | None] = mapped_column(String(64))
    answered: Mapped[int] = mapped_column(Integer)
    __table_args__ = (UniqueConstraint("participant_id", "position"),)


class Image(Base):
    """A stimulus of one trial under its token."""

    __tablename__ = "image"
    token: Mapped[str] = mapped_column(String(32), primary_key=True)
    trial_id: Mapped[int] = mapped_column(ForeignKey("trial.id", ondelete="CASCADE"), index=True)
    role: Mapped[str] = mapped_column(String(10))
    file: Mapped[str] = mapped_column(String(80))


class Vote(Base):
    """One vote. It never changes, and is deleted only if its participant withdraws."""

    __tablename__ = "vote"
    id: Mapped[int] = mapped_column(Id, primary_key=True, autoincrement=True)
    participant_id: Mapped[str] = mapped_column(ForeignKey("participant.id", ondelete="CASCADE"))
    trial_id: Mapped[int] = mapped_column(ForeignKey("trial.id", ondelete="CASCADE"))
    uuid: Mapped[str] = mapped_column(String(36))
    body_sha256: Mapped[str] = mapped_column(String(64))
    choice: Mapped[str] = mapped_column(String(10))
    received_at: Mapped[float] = mapped_column(Float)
    response_ms: Mapped[float] = mapped_column(Float)
    requested_ms: Mapped[float | None] = mapped_column(Float)
    shown_ms: Mapped[float | None] = mapped_column(Float)
    blurs: Mapped[int] = mapped_column(Integer)
    flags: Mapped[list[str]] = mapped_column(JSON)
    __table_args__ = (
        UniqueConstraint("participant_id", "trial_id"),
        Index("vote_uuid", "participant_id", "uuid", unique=True),
    )


class Withdrawal(Base):
    """A withdrawal: the time and stage, all that remains of the participant."""

    __tablename__ = "withdrawal"
    id: Mapped[int] = mapped_column(Id, primary_key=True, autoincrement=True)
    at: Mapped[float] = mapped_column(Float)
    stage: Mapped[str] = mapped_column(String(20))


class Login(Base):
    """A login session of the researcher."""

    __tablename__ = "login"
    token_sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    csrf: Mapped[str] = mapped_column(String(64))
    expires_at: Mapped[float] = mapped_column(Float)
