"""The tables of a survey.

Method names stand in `trial` alone; what people's browsers get are tokens of `image`. No address of a network and no id
of a platform is stored: of the latter a salted hash, whose salt goes when the person withdraws or the researcher says.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, BigInteger, Float, ForeignKey, Index, Integer, String, Text, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

Id = Integer().with_variant(BigInteger, "postgresql")


class Base(DeclarativeBase):
    """The tables."""


class Setting(Base):
    """A value that the server keeps: the password's hash, whether the survey is stopped, and the like."""

    __tablename__ = "setting"
    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    value: Mapped[str] = mapped_column(Text)


class Registration(Base):
    """Design, analysis plan and pictures at a moment; the first one is what was fixed beforehand."""

    __tablename__ = "registration"
    id: Mapped[int] = mapped_column(Id, primary_key=True, autoincrement=True)
    at: Mapped[float] = mapped_column(Float)
    sha256: Mapped[str] = mapped_column(String(64))
    record: Mapped[dict[str, Any]] = mapped_column(JSON)
    changes: Mapped[list[str]] = mapped_column(JSON)
    votes_before: Mapped[int] = mapped_column(Integer)


class Invitation(Base):
    """A link for one person."""

    __tablename__ = "invitation"
    token_sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    label: Mapped[str] = mapped_column(String(200))
    created_at: Mapped[float] = mapped_column(Float)
    participant_id: Mapped[str | None] = mapped_column(ForeignKey("participant.id", ondelete="SET NULL"))


class Participant(Base):
    """A person: a random id, and what was recorded of the screen."""

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
    """One trial of a person's schedule."""

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
    """A picture of one trial under its token."""

    __tablename__ = "image"
    token: Mapped[str] = mapped_column(String(32), primary_key=True)
    trial_id: Mapped[int] = mapped_column(ForeignKey("trial.id", ondelete="CASCADE"), index=True)
    role: Mapped[str] = mapped_column(String(10))
    file: Mapped[str] = mapped_column(String(80))


class Vote(Base):
    """One answer. It is never changed, and it goes only when its person withdraws."""

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
    """That somebody withdrew, and when: nothing else is left of them."""

    __tablename__ = "withdrawal"
    id: Mapped[int] = mapped_column(Id, primary_key=True, autoincrement=True)
    at: Mapped[float] = mapped_column(Float)
    stage: Mapped[str] = mapped_column(String(20))


class Login(Base):
    """An open session of the researcher."""

    __tablename__ = "login"
    token_sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    csrf: Mapped[str] = mapped_column(String(64))
    expires_at: Mapped[float] = mapped_column(Float)
